resource "aws_iam_role" "heron" {
  name               = "heron"
  description        = var.edited ? "All herons" : "Heron"
  assume_role_policy = jsonencode({ Version = "2012-10-17", Statement = [{ Action = "sts:AssumeRole", Effect = "Allow", Principal = { Service = "ec2.amazonaws.com" } }] })
  tags               = { team = "birds" }
}

resource "aws_iam_policy" "read" {
  name   = "read"
  path   = "/birds/"
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Action = var.edited ? ["s3:GetObject", "s3:ListBucket"] : ["s3:GetObject"], Effect = "Allow", Resource = "*" }] })
  tags   = { team = "birds" }
}

resource "aws_iam_role_policy_attachment" "read" {
  role       = aws_iam_role.heron.name
  policy_arn = aws_iam_policy.read.arn
}

resource "aws_iam_role_policy" "inline" {
  name   = "inline"
  role   = aws_iam_role.heron.id
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Action = "sqs:*", Effect = var.edited ? "Deny" : "Allow", Resource = "*" }] })
}

resource "aws_iam_instance_profile" "heron" {
  name = "heron"
  role = aws_iam_role.heron.name
  tags = { team = var.edited ? "herons" : "birds" }
}

resource "aws_iam_user" "warden" {
  name = "warden"
  path = "/wardens/"
  tags = { team = var.edited ? "herons" : "birds" }
}

resource "aws_iam_group" "wardens" {
  name = "wardens"
  path = var.edited ? "/all/" : "/"
}

resource "aws_iam_user_group_membership" "warden" {
  user   = aws_iam_user.warden.name
  groups = [aws_iam_group.wardens.name]
}

resource "aws_iam_openid_connect_provider" "ci" {
  url             = "https://ci.birds.example.com"
  client_id_list  = ["sts.amazonaws.com"]
  thumbprint_list = ["cf23df2207d99a74fbe169e3eba035e633b65d94"]
  tags            = { team = var.edited ? "herons" : "birds" }
}
