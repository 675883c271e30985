"""The guests for JavaScript and TypeScript: one program for deno and node, and what the host says about the code."""
