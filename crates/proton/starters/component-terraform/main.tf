resource "aws_dynamodb_table" "this" {
  name         = "${var.environment.name}-${var.component.name}"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "id"

  attribute {
    name = "id"
    type = "S"
  }
}

output "TableName" {
  value = aws_dynamodb_table.this.name
}
