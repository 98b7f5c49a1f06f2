"""From whole tickets to what can be searched: embed, index, and the parts of large tickets."""
