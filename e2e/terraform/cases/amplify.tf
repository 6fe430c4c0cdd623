resource "aws_amplify_app" "site" {
  name        = "site"
  description = var.edited ? null : "A site about herons"
  platform    = "WEB"

  environment_variables = { STAGE = var.edited ? "prod" : "test" }
  tags                  = { team = "birds" }
}

resource "aws_amplify_branch" "main" {
  app_id      = aws_amplify_app.site.id
  branch_name = "main"
  framework   = "React"
  stage       = "PRODUCTION"
}
