resource "aws_ssm_parameter" "bird" {
  name        = "/birds/heron"
  type        = "String"
  value       = var.edited ? "grey" : "blue"
  description = "The heron"
  tags        = { team = "birds" }
}

resource "aws_ssm_document" "hello" {
  name            = "hello"
  document_type   = "Command"
  document_format = "JSON"
  content         = jsonencode({ schemaVersion = "2.2", description = "Hello", mainSteps = [{ action = "aws:runShellScript", name = "hello", inputs = { runCommand = [var.edited ? "echo again" : "echo hello"] } }] })
  tags            = { team = "birds" }
}

resource "aws_ssm_maintenance_window" "night" {
  name     = "night"
  schedule = "cron(0 16 ? * TUE *)"
  duration = var.edited ? 4 : 3
  cutoff   = 1
  tags     = { team = "birds" }
}

resource "aws_ssm_patch_baseline" "birds" {
  name             = "birds"
  description      = var.edited ? "All birds" : "Birds"
  approved_patches = ["KB123456"]
  tags             = { team = "birds" }
}

resource "aws_ssm_association" "hello" {
  name                = aws_ssm_document.hello.name
  association_name    = "hello"
  schedule_expression = var.edited ? "rate(2 days)" : "rate(1 day)"

  targets {
    key    = "InstanceIds"
    values = ["i-0123456789abcdef0"]
  }
}
