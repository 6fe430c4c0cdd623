# Inputs are var.environment.inputs. proton_tags tell which account, template and environment this belongs to.
resource "aws_vpc" "this" {
  cidr_block           = var.environment.inputs.vpc_cidr
  enable_dns_hostnames = true

  tags = merge(var.proton_tags, { Name = var.environment.name })
}

resource "aws_s3_bucket" "artifacts" {
  bucket_prefix = "${var.environment.name}-artifacts-"
}
