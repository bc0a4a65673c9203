-- Database of the stand-in application. Every demo gets the same rows; only the times differ.
SET pg_stat_statements.track = 'none';  -- filling the tables is nothing that the application does
CREATE TABLE users (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email text NOT NULL UNIQUE,
    name text NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE TABLE conversations (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    title text NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX conversations_user ON conversations (user_id);
CREATE TABLE messages (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    conversation_id bigint NOT NULL REFERENCES conversations ON DELETE CASCADE,
    body text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX messages_conversation ON messages (conversation_id);
CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    state text NOT NULL DEFAULT 'new',
    amount numeric(9, 2) NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX orders_user ON orders (user_id);
CREATE INDEX orders_open ON orders (id) WHERE state = 'new';
CREATE TABLE presence (
    user_id bigint PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    status text NOT NULL,
    seen_at timestamptz NOT NULL
) WITH (fillfactor = 70);
CREATE VIEW busiest AS
    SELECT u.email, count(*) AS messages
    FROM users u JOIN conversations c ON c.user_id = u.id JOIN messages m ON m.conversation_id = c.id
    GROUP BY u.email ORDER BY messages DESC;

INSERT INTO users (email, name, created_at)
    SELECT format('user%s@example.com', n), format('User %s', n), now() - (2000 - n) * interval '3 hours'
    FROM generate_series(1, 2000) n;
INSERT INTO conversations (user_id, title, created_at)
    SELECT n % 2000 + 1, (ARRAY['travel', 'recipes', '天气', 'homework', 'a letter'])[n % 5 + 1],
        now() - (5000 - n) * interval '1 hour'
    FROM generate_series(1, 5000) n;
INSERT INTO messages (conversation_id, body, created_at)
    SELECT n % 5000 + 1, format('message %s: %s', n, repeat(md5(n::text), n % 4 + 1)),
        now() - (20000 - n) * interval '10 minutes'
    FROM generate_series(1, 20000) n;
INSERT INTO orders (user_id, state, amount, created_at)
    SELECT n % 2000 + 1, 'shipped', n % 90 + 9.9, now() - (5000 - n) * interval '40 minutes'
    FROM generate_series(1, 5000) n;
INSERT INTO presence (user_id, status, seen_at)
    SELECT n, 'offline', now() - n * interval '1 minute' FROM generate_series(1, 2000) n;
ANALYZE;
SELECT 'CREATE EXTENSION pg_stat_statements'
    WHERE EXISTS (SELECT FROM pg_settings WHERE name = 'pg_stat_statements.max')
        AND EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_stat_statements') \gexec
