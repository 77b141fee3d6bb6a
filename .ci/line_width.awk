# Prints each comment line and each Markdown line that is longer than 100 columns, and exits with 1
# if there is one. Exceptions: tables, headings, code blocks, and lines with a URL or a link
# definition, which cannot be wrapped.
#
#     LC_ALL=C awk -f .ci/line_width.awk FILE...

FNR == 1 { fenced = 0 }

{
    is_markdown = FILENAME ~ /\.md$/
    if (!is_markdown && $0 !~ /^[ \t]*\/\//) { fenced = 0; next }
    text = $0
    if (!is_markdown) sub(/^[ \t]*\/\/[\/!]? ?/, "", text)
    sub(/^[ \t]+/, "", text)
    if (text ~ /^(```|~~~)/) { fenced = !fenced; next }
    if (fenced || text ~ /^(\||#+ |\[[^]]*\]: )/ || text ~ /:\/\//) next

    # awk counts bytes: remove the continuation bytes of UTF-8 characters.
    columns = $0
    gsub(/[\200-\277]/, "", columns)
    if (length(columns) > 100) {
        printf "%s:%d: %d columns\n", FILENAME, FNR, length(columns)
        found = 1
    }
}

END { exit found }
