"""The page at `/`: what stands here, and where the API is. In French, then in English."""

HOME = """<!doctype html>
<html lang="fr">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Préau</title>
<style>body{font:1.1rem/1.6 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem}</style></head>
<body>
<main>
<h1>Préau</h1>
<p>L’espace famille de votre commune : réserver la cantine, le périscolaire, les mercredis et les vacances, suivre son compte.</p>
<p>L’interface de programmation est du GraphQL, à l’adresse <a href="/graphql?query=%7B__typename%7D"><code>/graphql</code></a>
(<code>POST</code>, JSON). Les clés publiques sont à <a href="/.well-known/jwks.json"><code>/.well-known/jwks.json</code></a>.</p>
<hr>
<div lang="en">
<p>Your town’s family portal: book meals, after-school care, Wednesdays and holidays, and follow your account.</p>
<p>The API is GraphQL, at <a href="/graphql?query=%7B__typename%7D"><code>/graphql</code></a> (<code>POST</code>, JSON).
Its public keys are at <a href="/.well-known/jwks.json"><code>/.well-known/jwks.json</code></a>.</p>
</div>
</main>
</body>
</html>
"""
SECURITY = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
