resource "aws_servicecatalog_portfolio" "birds" {
  name          = "birds"
  description   = var.edited ? "All birds" : "Birds"
  provider_name = "Wardens"
  tags          = { team = "birds" }
}

resource "aws_servicecatalog_tag_option" "team" {
  key   = "team"
  value = var.edited ? "herons" : "birds"
}

resource "aws_servicecatalogappregistry_application" "birds" {
  name        = "birds"
  description = var.edited ? "All birds" : "Birds"
}
