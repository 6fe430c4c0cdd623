# seconds: 200
resource "aws_elasticache_parameter_group" "birds" {
  name        = "birds"
  family      = "redis7"
  description = "Birds"
  tags        = { team = var.edited ? "herons" : "birds" }
}

resource "aws_elasticache_subnet_group" "birds" {
  name        = "birds"
  description = var.edited ? "All birds" : "Birds"
  subnet_ids  = ["subnet-0123456789abcdef0"]
}

resource "aws_elasticache_user" "heron" {
  user_id              = "heron"
  user_name            = "heron"
  engine               = "redis"
  access_string        = var.edited ? "on ~* +@read" : "on ~* +@all"
  no_password_required = true
}
