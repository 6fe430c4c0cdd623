# seconds: 200
resource "aws_msk_configuration" "birds" {
  name              = "birds"
  kafka_versions    = ["3.6.0"]
  description       = var.edited ? "All birds" : "Birds"
  server_properties = "auto.create.topics.enable = true\ndelete.topic.enable = true\n"
}

resource "aws_msk_cluster" "birds" {
  cluster_name           = "birds"
  kafka_version          = "3.6.0"
  number_of_broker_nodes = 2
  enhanced_monitoring    = var.edited ? "PER_BROKER" : "DEFAULT"

  broker_node_group_info {
    instance_type   = "kafka.t3.small"
    client_subnets  = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
    security_groups = ["sg-0123456789abcdef0"]
  }

  tags = { team = "birds" }
}
