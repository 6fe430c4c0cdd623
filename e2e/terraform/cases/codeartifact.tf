resource "aws_codeartifact_domain" "birds" {
  domain = "birds"
  tags   = { team = var.edited ? "herons" : "birds" }
}

resource "aws_codeartifact_repository" "main" {
  domain      = aws_codeartifact_domain.birds.domain
  repository  = "main"
  description = var.edited ? "Everything" : "Main"
}
