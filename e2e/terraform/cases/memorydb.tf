resource "aws_memorydb_user" "heron" {
  user_name     = "heron"
  access_string = var.edited ? "on ~* +@read" : "on ~* +@all"

  authentication_mode {
    type      = "password"
    passwords = ["blue-heron-blue-heron"]
  }

  tags = { team = "birds" }
}

resource "aws_memorydb_parameter_group" "birds" {
  name        = "birds"
  family      = "memorydb_redis7"
  description = "Birds"
  tags        = { team = var.edited ? "herons" : "birds" }
}

resource "aws_memorydb_subnet_group" "birds" {
  name        = "birds"
  description = var.edited ? "All birds" : "Birds"
  subnet_ids  = ["subnet-0123456789abcdef0"]
}
