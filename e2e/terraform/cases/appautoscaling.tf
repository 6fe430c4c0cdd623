resource "aws_appautoscaling_target" "table" {
  service_namespace  = "dynamodb"
  resource_id        = "table/birds"
  scalable_dimension = "dynamodb:table:ReadCapacityUnits"
  min_capacity       = 1
  max_capacity       = var.edited ? 20 : 10
  role_arn           = "arn:aws:iam::111122223333:role/scaling"
}

resource "aws_appautoscaling_policy" "reads" {
  name               = "reads"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.table.service_namespace
  resource_id        = aws_appautoscaling_target.table.resource_id
  scalable_dimension = aws_appautoscaling_target.table.scalable_dimension

  target_tracking_scaling_policy_configuration {
    target_value = var.edited ? 60 : 70

    predefined_metric_specification {
      predefined_metric_type = "DynamoDBReadCapacityUtilization"
    }
  }
}
