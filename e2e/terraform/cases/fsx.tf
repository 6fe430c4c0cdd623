# seconds: 200
resource "aws_fsx_lustre_file_system" "birds" {
  storage_capacity              = 1200
  subnet_ids                    = ["subnet-0123456789abcdef0"]
  deployment_type               = "SCRATCH_2"
  weekly_maintenance_start_time = var.edited ? "2:05:00" : "1:05:00"
  tags                          = { team = "birds" }
}
