resource "aws_devicefarm_project" "birds" {
  name                        = "birds"
  default_job_timeout_minutes = var.edited ? 20 : 10
}

resource "aws_devicefarm_device_pool" "phones" {
  name        = "phones"
  project_arn = aws_devicefarm_project.birds.arn
  description = var.edited ? "All phones" : "Phones"

  rule {
    attribute = "OS_VERSION"
    operator  = "EQUALS"
    value     = "\"14\""
  }
}
