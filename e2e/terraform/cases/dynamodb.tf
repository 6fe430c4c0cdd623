resource "aws_dynamodb_table" "birds" {
  name         = "birds"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "name"
  range_key    = "seen"

  attribute {
    name = "name"
    type = "S"
  }
  attribute {
    name = "seen"
    type = "N"
  }

  ttl {
    attribute_name = "gone"
    enabled        = true
  }

  deletion_protection_enabled = false
  tags                        = { team = var.edited ? "herons" : "birds" }
}

resource "aws_dynamodb_table" "counts" {
  name           = "counts"
  billing_mode   = "PROVISIONED"
  read_capacity  = var.edited ? 2 : 1
  write_capacity = 1
  hash_key       = "id"

  attribute {
    name = "id"
    type = "S"
  }
}
