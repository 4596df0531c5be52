CREATE TABLE IF NOT EXISTS supervision_lease (
    name        text   PRIMARY KEY,
    epoch       bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    version     bigint NOT NULL,
    holder      text,
    duration_ms bigint NOT NULL
);
