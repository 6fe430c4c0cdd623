# seconds: 200
resource "aws_mq_configuration" "birds" {
  name           = "birds"
  description    = var.edited ? "All birds" : "Birds"
  engine_type    = "ActiveMQ"
  engine_version = "5.18"
  data           = "<broker xmlns=\"http://activemq.apache.org/schema/core\"><plugins/></broker>"
  tags           = { team = "birds" }
}
