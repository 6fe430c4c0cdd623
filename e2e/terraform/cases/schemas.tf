resource "aws_schemas_registry" "birds" {
  name        = "birds"
  description = var.edited ? "All birds" : "Birds"
  tags        = { team = "birds" }
}

resource "aws_schemas_discoverer" "bus" {
  source_arn  = "arn:aws:events:us-east-1:111122223333:event-bus/birds"
  description = var.edited ? "All birds" : "Birds"
}
