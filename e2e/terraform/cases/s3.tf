# seconds: 240
resource "aws_s3_bucket" "plain" {
  bucket = "plain-case-bucket"
  tags   = { team = var.edited ? "b" : "a" }
}

resource "aws_s3_bucket" "logs" {
  bucket        = "logs-case-bucket"
  force_destroy = true
}

resource "aws_s3_bucket" "locked" {
  bucket              = "locked-case-bucket"
  object_lock_enabled = true
}

resource "aws_s3_bucket_versioning" "plain" {
  bucket = aws_s3_bucket.plain.id
  versioning_configuration {
    status = var.edited ? "Suspended" : "Enabled"
  }
}

resource "aws_s3_bucket_policy" "plain" {
  bucket = aws_s3_bucket.plain.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = var.edited ? "second" : "first"
      Effect    = "Allow"
      Principal = { AWS = "arn:aws:iam::111122223333:root" }
      Action    = ["s3:GetObject"]
      Resource  = "${aws_s3_bucket.plain.arn}/*"
    }]
  })
}

resource "aws_s3_bucket_lifecycle_configuration" "plain" {
  bucket = aws_s3_bucket.plain.id
  rule {
    id     = "expire"
    status = "Enabled"
    filter {
      prefix = "tmp/"
    }
    expiration {
      days = var.edited ? 7 : 3
    }
  }
  rule {
    id     = "move"
    status = "Enabled"
    filter {
      and {
        prefix = "archive/"
        tags   = { cold = "yes" }
      }
    }
    transition {
      days          = 30
      storage_class = "STANDARD_IA"
    }
    noncurrent_version_expiration {
      noncurrent_days = 90
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 2
    }
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "plain" {
  bucket = aws_s3_bucket.plain.id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = var.edited ? "AES256" : "aws:kms"
    }
    bucket_key_enabled = true
  }
}

resource "aws_s3_bucket_cors_configuration" "plain" {
  bucket = aws_s3_bucket.plain.id
  cors_rule {
    allowed_methods = ["GET", "PUT"]
    allowed_origins = [var.edited ? "https://b.example" : "https://a.example"]
    allowed_headers = ["*"]
    expose_headers  = ["ETag"]
    max_age_seconds = 300
  }
}

resource "aws_s3_bucket_website_configuration" "plain" {
  bucket = aws_s3_bucket.plain.id
  index_document {
    suffix = var.edited ? "start.html" : "index.html"
  }
  error_document {
    key = "error.html"
  }
  routing_rule {
    condition {
      key_prefix_equals = "docs/"
    }
    redirect {
      replace_key_prefix_with = "documents/"
    }
  }
}

resource "aws_s3_bucket_public_access_block" "plain" {
  bucket              = aws_s3_bucket.plain.id
  block_public_acls   = true
  block_public_policy = var.edited
}

resource "aws_s3_bucket_ownership_controls" "plain" {
  bucket = aws_s3_bucket.plain.id
  rule {
    object_ownership = var.edited ? "ObjectWriter" : "BucketOwnerPreferred"
  }
}

resource "aws_s3_bucket_acl" "plain" {
  depends_on = [aws_s3_bucket_ownership_controls.plain]
  bucket     = aws_s3_bucket.plain.id
  acl        = var.edited ? "private" : "public-read"
}

resource "aws_s3_bucket_logging" "plain" {
  bucket        = aws_s3_bucket.plain.id
  target_bucket = aws_s3_bucket.logs.id
  target_prefix = var.edited ? "b/" : "a/"
}

resource "aws_s3_bucket_notification" "plain" {
  bucket      = aws_s3_bucket.plain.id
  eventbridge = var.edited
  queue {
    queue_arn     = "arn:aws:sqs:us-east-1:111122223333:uploads"
    events        = ["s3:ObjectCreated:*"]
    filter_prefix = var.edited ? "out/" : "in/"
  }
}

resource "aws_s3_bucket_accelerate_configuration" "plain" {
  bucket = aws_s3_bucket.plain.id
  status = var.edited ? "Suspended" : "Enabled"
}

resource "aws_s3_bucket_request_payment_configuration" "plain" {
  bucket = aws_s3_bucket.plain.id
  payer  = var.edited ? "BucketOwner" : "Requester"
}

resource "aws_s3_bucket_metric" "plain" {
  bucket = aws_s3_bucket.plain.id
  name   = "whole"
  filter {
    prefix = var.edited ? "b/" : "a/"
  }
}

resource "aws_s3_bucket_analytics_configuration" "plain" {
  bucket = aws_s3_bucket.plain.id
  name   = "whole"
  filter {
    prefix = var.edited ? "b/" : "a/"
  }
}

resource "aws_s3_bucket_intelligent_tiering_configuration" "plain" {
  bucket = aws_s3_bucket.plain.id
  name   = "whole"
  tiering {
    access_tier = "DEEP_ARCHIVE_ACCESS"
    days        = var.edited ? 200 : 180
  }
}

resource "aws_s3_bucket_inventory" "plain" {
  bucket                   = aws_s3_bucket.plain.id
  name                     = "whole"
  included_object_versions = var.edited ? "Current" : "All"
  schedule {
    frequency = "Daily"
  }
  destination {
    bucket {
      format     = "CSV"
      bucket_arn = aws_s3_bucket.logs.arn
    }
  }
}

resource "aws_s3_bucket_versioning" "logs" {
  bucket = aws_s3_bucket.logs.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_replication_configuration" "logs" {
  depends_on = [aws_s3_bucket_versioning.logs]
  bucket     = aws_s3_bucket.logs.id
  role       = "arn:aws:iam::111122223333:role/replication"
  rule {
    id     = "all"
    status = "Enabled"
    filter {
      prefix = var.edited ? "b/" : "a/"
    }
    delete_marker_replication {
      status = "Disabled"
    }
    destination {
      bucket        = aws_s3_bucket.locked.arn
      storage_class = "STANDARD"
    }
  }
}

resource "aws_s3_bucket_object_lock_configuration" "locked" {
  bucket = aws_s3_bucket.locked.id
  rule {
    default_retention {
      mode = "GOVERNANCE"
      days = var.edited ? 2 : 1
    }
  }
}

resource "aws_s3_object" "hello" {
  bucket       = aws_s3_bucket.logs.id
  key          = "a b/hello.txt"
  content      = var.edited ? "hello again" : "hello"
  content_type = "text/plain"
  metadata     = { from = "terraform" }
  tags         = { kind = "greeting" }
}

resource "aws_s3_object_copy" "hello" {
  bucket = aws_s3_bucket.logs.id
  key    = "copy.txt"
  source = "${aws_s3_bucket.logs.id}/${aws_s3_object.hello.key}"
  # Else the source's tags come along, here as in AWS.
  tagging_directive = "REPLACE"
}
