resource "aws_lakeformation_lf_tag" "team" {
  key    = "team"
  values = var.edited ? ["birds", "herons"] : ["birds"]
}

resource "aws_lakeformation_resource" "birds" {
  arn      = "arn:aws:s3:::birds"
  role_arn = "arn:aws:iam::111122223333:role/${var.edited ? "lake2" : "lake"}"
}
