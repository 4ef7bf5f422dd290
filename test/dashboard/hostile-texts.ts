/** What a stranger may store in the hope that somebody's browser runs it, or that it misleads whoever reads it. */
export const hostileTexts = [
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "'-alert(1)-'",
  'javascript:alert(1)',
  '<svg/onload=alert(1)>',
  '<iframe srcdoc="<script>parent.alert(1)</script>"></iframe>',
  '<a href="javascript:alert(1)">retry</a>',
  '</title></script><script src=//example.com/x.js></script>',
  '<style>*{display:none}</style><link rel=stylesheet href=//example.com/x.css>',
  '{{constructor.constructor("alert(1)")()}}${alert(1)}<%= alert(1) %>',
  '<details open ontoggle=alert(1)><math><mi//xlink:href="data:x,<script>alert(1)</script>">',
  '\u001b[31mred\u001b[0m \u001b]8;;https://example.com\u0007link\u001b]8;;\u0007',
  'invoice\u202egnp.exe\u202c \u2066hidden\u2069',
]
