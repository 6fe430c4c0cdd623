resource "aws_fis_experiment_template" "stop" {
  description = var.edited ? "Stop some" : "Stop one"
  role_arn    = "arn:aws:iam::111122223333:role/fis"

  stop_condition {
    source = "none"
  }

  action {
    name      = "stop"
    action_id = "aws:ec2:stop-instances"

    target {
      key   = "Instances"
      value = "herons"
    }
  }

  target {
    name           = "herons"
    resource_type  = "aws:ec2:instance"
    selection_mode = "COUNT(1)"

    resource_tag {
      key   = "team"
      value = "birds"
    }
  }

  tags = { Name = "stop" }
}
