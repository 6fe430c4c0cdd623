resource "aws_cloudfront_origin_access_identity" "site" {
  comment = var.edited ? "The site" : "Site"
}

resource "aws_cloudfront_cache_policy" "short" {
  name        = "short"
  comment     = var.edited ? "Shorter" : "Short"
  default_ttl = 50
  max_ttl     = 100
  min_ttl     = 1

  parameters_in_cache_key_and_forwarded_to_origin {
    cookies_config {
      cookie_behavior = "none"
    }
    headers_config {
      header_behavior = "none"
    }
    query_strings_config {
      query_string_behavior = "none"
    }
  }
}

resource "aws_cloudfront_function" "rewrite" {
  name    = "rewrite"
  runtime = "cloudfront-js-2.0"
  publish = true
  code    = "function handler(event) { return event.${var.edited ? "response" : "request"}; }"
}

resource "aws_cloudfront_distribution" "site" {
  enabled             = true
  comment             = var.edited ? "All birds" : "Birds"
  wait_for_deployment = false

  origin {
    domain_name = "birds.example.com"
    origin_id   = "site"

    custom_origin_config {
      http_port              = 80
      https_port             = 443
      origin_protocol_policy = "https-only"
      origin_ssl_protocols   = ["TLSv1.2"]
    }
  }

  default_cache_behavior {
    allowed_methods        = ["GET", "HEAD"]
    cached_methods         = ["GET", "HEAD"]
    target_origin_id       = "site"
    viewer_protocol_policy = "redirect-to-https"
    cache_policy_id        = aws_cloudfront_cache_policy.short.id
  }

  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }

  viewer_certificate {
    cloudfront_default_certificate = true
  }

  tags = { team = "birds" }
}
