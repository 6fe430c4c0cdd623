resource "aws_codedeploy_app" "birds" {
  name             = "birds"
  compute_platform = "Server"
  tags             = { team = var.edited ? "herons" : "birds" }
}

resource "aws_codedeploy_deployment_config" "half" {
  deployment_config_name = "half"

  minimum_healthy_hosts {
    type  = "FLEET_PERCENT"
    value = 50
  }
}

resource "aws_codedeploy_deployment_group" "all" {
  app_name               = aws_codedeploy_app.birds.name
  deployment_group_name  = "all"
  service_role_arn       = "arn:aws:iam::111122223333:role/deploy"
  deployment_config_name = aws_codedeploy_deployment_config.half.id

  ec2_tag_filter {
    key   = "team"
    type  = "KEY_AND_VALUE"
    value = var.edited ? "herons" : "birds"
  }
}
