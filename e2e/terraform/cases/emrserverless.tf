resource "aws_emrserverless_application" "birds" {
  name          = "birds"
  release_label = "emr-7.0.0"
  type          = "spark"

  maximum_capacity {
    cpu    = var.edited ? "4 vCPU" : "2 vCPU"
    memory = "10 GB"
  }

  tags = { team = "birds" }
}
