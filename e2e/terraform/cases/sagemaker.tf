resource "aws_sagemaker_model" "heron" {
  name               = "heron"
  execution_role_arn = "arn:aws:iam::111122223333:role/sagemaker"

  primary_container {
    image = "111122223333.dkr.ecr.us-east-1.amazonaws.com/heron:1"
  }

  tags = { team = var.edited ? "herons" : "birds" }
}

resource "aws_sagemaker_endpoint_configuration" "heron" {
  name = "heron"

  production_variants {
    variant_name           = "first"
    model_name             = aws_sagemaker_model.heron.name
    initial_instance_count = 1
    instance_type          = "ml.t2.medium"
  }

  tags = { team = var.edited ? "herons" : "birds" }
}

resource "aws_sagemaker_code_repository" "birds" {
  code_repository_name = "birds"

  git_config {
    repository_url = "https://github.com/birds/birds.git"
  }

  tags = { team = var.edited ? "herons" : "birds" }
}

resource "aws_sagemaker_notebook_instance_lifecycle_configuration" "hello" {
  name     = "hello"
  on_start = base64encode(var.edited ? "echo again" : "echo hello")
}

resource "aws_sagemaker_model_package_group" "herons" {
  model_package_group_name        = "herons"
  model_package_group_description = "Herons"
  tags                            = { team = var.edited ? "herons" : "birds" }
}
