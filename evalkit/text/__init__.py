"""Pure text: tokens, n-grams, stems, edit distances."""
