resource "aws_vpclattice_service_network" "birds" {
  name      = "birds"
  auth_type = var.edited ? "AWS_IAM" : "NONE"
  tags      = { team = "birds" }
}

resource "aws_vpclattice_service" "heron" {
  name      = "heron"
  auth_type = var.edited ? "AWS_IAM" : "NONE"
  tags      = { team = "birds" }
}

resource "aws_vpclattice_listener" "http" {
  name               = "http"
  protocol           = "HTTP"
  port               = 80
  service_identifier = aws_vpclattice_service.heron.id

  default_action {
    fixed_response {
      status_code = var.edited ? 500 : 404
    }
  }
}
