resource "aws_elastic_beanstalk_application" "birds" {
  name        = "birds"
  description = var.edited ? null : "Birds"
  tags        = { team = "birds" }
}

resource "aws_elastic_beanstalk_application_version" "first" {
  name        = "first"
  application = aws_elastic_beanstalk_application.birds.name
  description = var.edited ? "The first" : "First"
  bucket      = "bundles"
  key         = "birds.zip"
}
