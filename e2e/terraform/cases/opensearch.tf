resource "aws_opensearchserverless_security_policy" "keys" {
  name        = "keys"
  type        = "encryption"
  description = var.edited ? "Our keys" : "Keys"
  policy      = jsonencode({ AWSOwnedKey = true, Rules = [{ ResourceType = "collection", Resource = ["collection/birds"] }] })
}

resource "aws_opensearchserverless_access_policy" "all" {
  name        = "all"
  type        = "data"
  description = var.edited ? "Everybody" : "All"
  policy      = jsonencode([{ Rules = [{ ResourceType = "index", Resource = ["index/birds/*"], Permission = ["aoss:*"] }], Principal = ["arn:aws:iam::111122223333:role/heron"] }])
}
