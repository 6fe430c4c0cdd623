# What an answer made from the model is enough for: data sources. Resources need memory.
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {
  s3_use_path_style           = true
  skip_credentials_validation = true
  skip_metadata_api_check     = true
}

data "aws_caller_identity" "current" {}

data "aws_region" "current" {}

output "account" {
  value = data.aws_caller_identity.current.account_id
}
