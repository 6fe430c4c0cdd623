resource "aws_acmpca_certificate_authority" "root" {
  type                            = "ROOT"
  permanent_deletion_time_in_days = 7

  certificate_authority_configuration {
    key_algorithm     = "RSA_2048"
    signing_algorithm = "SHA256WITHRSA"

    subject {
      common_name  = "birds.example.com"
      organization = "Birds"
    }
  }

  tags = { team = var.edited ? "herons" : "birds" }
}
