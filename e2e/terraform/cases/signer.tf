resource "aws_signer_signing_profile" "birds" {
  name        = "birds"
  platform_id = "AWSLambda-SHA384-ECDSA"
  tags        = { team = var.edited ? "herons" : "birds" }
}
