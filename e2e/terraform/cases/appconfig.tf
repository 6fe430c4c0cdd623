resource "aws_appconfig_application" "birds" {
  name        = "birds"
  description = var.edited ? "All birds" : "Birds"
  tags        = { team = "birds" }
}

resource "aws_appconfig_environment" "test" {
  name           = "test"
  application_id = aws_appconfig_application.birds.id
  description    = var.edited ? "Second" : "First"
}

resource "aws_appconfig_configuration_profile" "flags" {
  name           = "flags"
  application_id = aws_appconfig_application.birds.id
  location_uri   = "hosted"
  tags           = { team = var.edited ? "herons" : "birds" }
}

resource "aws_appconfig_hosted_configuration_version" "first" {
  application_id           = aws_appconfig_application.birds.id
  configuration_profile_id = aws_appconfig_configuration_profile.flags.configuration_profile_id
  content                  = jsonencode({ fly = true })
  content_type             = "application/json"
}

resource "aws_appconfig_deployment_strategy" "slow" {
  name                           = "slow"
  deployment_duration_in_minutes = var.edited ? 10 : 5
  growth_factor                  = 20
  replicate_to                   = "NONE"
}
