resource "aws_cloudhsm_v2_cluster" "keys" {
  hsm_type   = "hsm1.medium"
  subnet_ids = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
  tags       = { team = var.edited ? "herons" : "birds" }
}
