resource "aws_codebuild_project" "birds" {
  name         = "birds"
  description  = var.edited ? "All birds" : "Birds"
  service_role = "arn:aws:iam::111122223333:role/build"

  artifacts {
    type = "NO_ARTIFACTS"
  }

  environment {
    compute_type = var.edited ? "BUILD_GENERAL1_MEDIUM" : "BUILD_GENERAL1_SMALL"
    image        = "aws/codebuild/standard:7.0"
    type         = "LINUX_CONTAINER"

    environment_variable {
      name  = "STAGE"
      value = "test"
    }
  }

  source {
    type      = "NO_SOURCE"
    buildspec = "version: 0.2\nphases: {}\n"
  }

  tags = { team = "birds" }
}

resource "aws_codebuild_report_group" "tests" {
  name = "tests"
  type = "TEST"

  export_config {
    type = "NO_EXPORT"
  }

  tags = { team = var.edited ? "herons" : "birds" }
}
