resource "aws_cognito_user_pool" "birds" {
  name                     = "birds"
  auto_verified_attributes = var.edited ? ["email"] : null
  tags                     = { team = "birds" }

  password_policy {
    minimum_length                   = var.edited ? 12 : 10
    require_lowercase                = true
    require_numbers                  = true
    require_symbols                  = false
    require_uppercase                = false
    temporary_password_validity_days = 7
  }
}

resource "aws_cognito_user_pool_client" "web" {
  name                   = "web"
  user_pool_id           = aws_cognito_user_pool.birds.id
  refresh_token_validity = var.edited ? 20 : 30
}

resource "aws_cognito_user_group" "herons" {
  name         = "herons"
  user_pool_id = aws_cognito_user_pool.birds.id
  description  = var.edited ? "All herons" : "Herons"
  precedence   = 1
}

resource "aws_cognito_resource_server" "api" {
  identifier   = "https://birds.example.com"
  name         = var.edited ? "api-2" : "api"
  user_pool_id = aws_cognito_user_pool.birds.id
}
