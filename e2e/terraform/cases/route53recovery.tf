resource "aws_route53recoveryreadiness_cell" "east" {
  cell_name = "east"
  tags      = { team = var.edited ? "herons" : "birds" }
}

resource "aws_route53recoveryreadiness_recovery_group" "birds" {
  recovery_group_name = "birds"
  cells               = [aws_route53recoveryreadiness_cell.east.arn]
  tags                = { team = "birds" }
}
