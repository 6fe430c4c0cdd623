resource "aws_batch_scheduling_policy" "fair" {
  name = "fair"

  fair_share_policy {
    compute_reservation = 1
    share_decay_seconds = var.edited ? 7200 : 3600

    share_distribution {
      share_identifier = "birds"
      weight_factor    = 0.5
    }
  }

  tags = { team = "birds" }
}

resource "aws_batch_job_definition" "count" {
  name = "count"
  type = "container"

  container_properties = jsonencode({
    command              = ["count"]
    image                = "birds"
    resourceRequirements = [{ type = "VCPU", value = "1" }, { type = "MEMORY", value = "512" }]
  })

  tags = { team = var.edited ? "herons" : "birds" }
}

resource "aws_batch_compute_environment" "small" {
  compute_environment_name = "small"
  type                     = "MANAGED"
  service_role             = "arn:aws:iam::111122223333:role/batch"

  compute_resources {
    type               = "FARGATE"
    max_vcpus          = var.edited ? 8 : 4
    security_group_ids = ["sg-0123456789abcdef0"]
    subnets            = ["subnet-0123456789abcdef0"]
  }
}

resource "aws_batch_job_queue" "main" {
  name     = "main"
  state    = "ENABLED"
  priority = var.edited ? 2 : 1

  compute_environment_order {
    order               = 1
    compute_environment = aws_batch_compute_environment.small.arn
  }
}
