output "VpcId" {
  value = aws_vpc.this.id
}

output "ArtifactsBucket" {
  value = aws_s3_bucket.artifacts.id
}
