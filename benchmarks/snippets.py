"""Blocks of code for the generated documents, in four languages."""

from __future__ import annotations

PYTHON = '''```python
def {one}_{two}(items, limit={number}):
    """{comment}"""
    kept = [item for item in items if item["owner"] == "{user}"]
    return sorted(kept, key=lambda item: item["{word}"])[:limit]
```'''
SHELL = """```sh
# {comment}
scp {user}@{host}:/srv/{one}/{two}.csv .
grep -c '{word}' {two}.csv || echo "nothing of {user}" >&2
```"""
JSON = """```json
{{
  "owner": "{user}",
  "comment": "{comment}",
  "limits": {{"{one}": {number}, "{two}": true}},
  "tags": ["{word}", "{slug}"]
}}
```"""
SQL = """```sql
-- {comment}
SELECT {one}, count(*) FROM {two}
WHERE owner = '{user}' AND {word} > {number}
GROUP BY {one} ORDER BY 2 DESC;
```"""
TEMPLATES = (PYTHON, SHELL, JSON, SQL)
