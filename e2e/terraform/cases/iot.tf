resource "aws_iot_thing_type" "nest" {
  name = "nest"

  properties {
    description = "Nests"
  }

  deprecated = false
  tags       = { team = var.edited ? "herons" : "birds" }
}

resource "aws_iot_thing" "nest" {
  name       = "nest-1"
  attributes = { tree = var.edited ? "elm" : "oak" }
}

resource "aws_iot_policy" "publish" {
  name   = "publish"
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Action = ["iot:Publish"], Effect = "Allow", Resource = "*" }] })
}

resource "aws_iot_topic_rule" "seen" {
  name        = "seen"
  description = var.edited ? "Seen again" : "Seen"
  enabled     = true
  sql         = "SELECT * FROM 'birds'"
  sql_version = "2016-03-23"

  sns {
    message_format = "RAW"
    role_arn       = "arn:aws:iam::111122223333:role/iot"
    target_arn     = "arn:aws:sns:us-east-1:111122223333:birds"
  }
}

resource "aws_iot_role_alias" "nest" {
  alias               = "nest"
  role_arn            = "arn:aws:iam::111122223333:role/nest"
  credential_duration = var.edited ? 7200 : 3600
}

resource "aws_iot_thing_group" "nests" {
  name = "nests"

  properties {
    description = var.edited ? "All nests" : "Nests"
  }
}
