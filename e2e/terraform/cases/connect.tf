resource "aws_connect_instance" "birds" {
  identity_management_type  = "CONNECT_MANAGED"
  inbound_calls_enabled     = true
  instance_alias            = "birds"
  outbound_calls_enabled    = true
  contact_flow_logs_enabled = var.edited
}

resource "aws_connect_hours_of_operation" "day" {
  instance_id = aws_connect_instance.birds.id
  name        = "day"
  description = var.edited ? "By day" : "Day"
  time_zone   = "UTC"

  config {
    day = "MONDAY"
    start_time {
      hours   = 8
      minutes = 0
    }
    end_time {
      hours   = 17
      minutes = 30
    }
  }
}
