# Read by the first command: what it defines is there for the others, which run in the same shell.

write_site() {
  mkdir -p "$SITE/pages" &&
    printf '%s\n' "$TITLE" > "$SITE/index.txt" &&
    echo "the site $SITE is there"
}

# Whatever pages there still are stop it: services go first.
remove_site() {
  if [ ! -d "$SITE" ]; then
    echo "there is no site $SITE"
    return 0
  fi
  rm -f "$SITE/index.txt" && rmdir "$SITE/pages" "$SITE" && echo "the site $SITE is gone"
}
