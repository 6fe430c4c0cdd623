resource "aws_storagegateway_tape_pool" "films" {
  pool_name     = "films"
  storage_class = "GLACIER"
  tags          = { team = var.edited ? "herons" : "birds" }
}
