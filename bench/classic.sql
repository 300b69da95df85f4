-- The usual tables of a support desk, with their indexes and triggers: what classic.c inserts into.
-- Tables that a measurement never touches (users, teams) stand here as bare keys, for the references.

CREATE TABLE users (id UUID PRIMARY KEY);
CREATE TABLE teams (id UUID PRIMARY KEY);

CREATE TABLE customers (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),

    identity_graph JSONB NOT NULL DEFAULT '{
        "emails": [],
        "phone_numbers": [],
        "social_ids": {},
        "device_fingerprints": []
    }',

    profile JSONB NOT NULL DEFAULT '{
        "name": null,
        "company": null,
        "avatar_url": null,
        "metadata": {}
    }',

    sla_tier VARCHAR(20) NOT NULL DEFAULT 'standard'
        CHECK (sla_tier IN ('free', 'standard', 'premium', 'enterprise')),
    tags TEXT[] DEFAULT ARRAY[]::TEXT[],
    segments TEXT[] DEFAULT ARRAY[]::TEXT[],
    risk_flags TEXT[] DEFAULT ARRAY[]::TEXT[],

    status VARCHAR(20) NOT NULL DEFAULT 'active'
        CHECK (status IN ('active', 'inactive', 'blocked', 'merged')),
    merged_into_id UUID REFERENCES customers(id),

    first_seen_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    last_seen_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT NOW()
);

CREATE INDEX idx_customers_emails ON customers USING GIN ((identity_graph->'emails'));
CREATE INDEX idx_customers_phones ON customers USING GIN ((identity_graph->'phone_numbers'));
CREATE INDEX idx_customers_social ON customers USING GIN ((identity_graph->'social_ids'));
CREATE INDEX idx_customers_tags ON customers USING GIN (tags);
CREATE INDEX idx_customers_segments ON customers USING GIN (segments);
CREATE INDEX idx_customers_sla_tier ON customers(sla_tier);
CREATE INDEX idx_customers_status ON customers(status);

CREATE TABLE conversations (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),

    customer_id UUID NOT NULL REFERENCES customers(id),

    state VARCHAR(30) NOT NULL DEFAULT 'open'
        CHECK (state IN (
            'open',
            'awaiting_customer',
            'awaiting_agent',
            'escalated',
            'resolved',
            'reopened'
        )),
    previous_state VARCHAR(30),

    channels_used TEXT[] NOT NULL DEFAULT ARRAY[]::TEXT[],
    current_channel VARCHAR(30),
    initial_channel VARCHAR(30) NOT NULL,

    assigned_agent_id UUID REFERENCES users(id),
    assigned_team_id UUID REFERENCES teams(id),

    intent VARCHAR(50),
    severity VARCHAR(10) CHECK (severity IN ('P0', 'P1', 'P2', 'P3')),
    sentiment VARCHAR(20) CHECK (sentiment IN ('positive', 'neutral', 'negative', 'angry')),
    required_skills TEXT[] DEFAULT ARRAY[]::TEXT[],

    sla_tier VARCHAR(20) NOT NULL DEFAULT 'standard',
    first_response_at TIMESTAMPTZ,
    first_response_due_at TIMESTAMPTZ,
    resolution_due_at TIMESTAMPTZ,
    sla_breached BOOLEAN DEFAULT FALSE,

    resolution_id UUID,

    subject VARCHAR(500),
    summary TEXT,
    tags TEXT[] DEFAULT ARRAY[]::TEXT[],
    metadata JSONB DEFAULT '{}',

    message_count INTEGER DEFAULT 0,
    internal_note_count INTEGER DEFAULT 0,

    last_message_at TIMESTAMPTZ,
    last_customer_message_at TIMESTAMPTZ,
    last_agent_message_at TIMESTAMPTZ,
    resolved_at TIMESTAMPTZ,
    reopened_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    updated_at TIMESTAMPTZ NOT NULL DEFAULT NOW()
);

CREATE INDEX idx_conversations_customer ON conversations(customer_id);
CREATE INDEX idx_conversations_state ON conversations(state);
CREATE INDEX idx_conversations_assigned_agent ON conversations(assigned_agent_id);
CREATE INDEX idx_conversations_assigned_team ON conversations(assigned_team_id);
CREATE INDEX idx_conversations_severity ON conversations(severity);
CREATE INDEX idx_conversations_sla_due ON conversations(first_response_due_at) WHERE state IN ('open', 'awaiting_agent');
CREATE INDEX idx_conversations_created ON conversations(created_at DESC);
CREATE INDEX idx_conversations_last_message ON conversations(last_message_at DESC);
CREATE INDEX idx_conversations_tags ON conversations USING GIN (tags);

CREATE TABLE messages (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),

    conversation_id UUID NOT NULL REFERENCES conversations(id) ON DELETE CASCADE,

    channel VARCHAR(30) NOT NULL CHECK (channel IN (
        'web_chat', 'email', 'whatsapp', 'facebook',
        'instagram', 'twitter', 'voice', 'sms', 'internal'
    )),
    direction VARCHAR(10) NOT NULL CHECK (direction IN ('inbound', 'outbound', 'internal')),

    sender_type VARCHAR(20) NOT NULL CHECK (sender_type IN ('customer', 'agent', 'system', 'ai')),
    sender_id UUID, -- NULL for customer messages

    content_type VARCHAR(30) DEFAULT 'text' CHECK (content_type IN (
        'text', 'html', 'markdown', 'voice_transcript', 'system_event'
    )),
    content TEXT NOT NULL,
    content_html TEXT, -- Rendered HTML for rich content

    voice_recording_url TEXT,
    voice_duration_seconds INTEGER,

    channel_message_id VARCHAR(255), -- External message ID
    channel_metadata JSONB DEFAULT '{}',

    parent_message_id UUID REFERENCES messages(id),
    thread_id UUID,

    ai_processed BOOLEAN DEFAULT FALSE,
    ai_annotations JSONB DEFAULT '{}',

    status VARCHAR(20) DEFAULT 'sent' CHECK (status IN (
        'pending', 'sent', 'delivered', 'read', 'failed'
    )),
    error_message TEXT,

    created_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
    delivered_at TIMESTAMPTZ,
    read_at TIMESTAMPTZ
);

CREATE INDEX idx_messages_conversation ON messages(conversation_id);
CREATE INDEX idx_messages_created ON messages(created_at DESC);
CREATE INDEX idx_messages_channel ON messages(channel);
CREATE INDEX idx_messages_direction ON messages(direction);
CREATE INDEX idx_messages_thread ON messages(thread_id);
CREATE INDEX idx_messages_ai_processed ON messages(ai_processed) WHERE ai_processed = FALSE;

CREATE INDEX idx_messages_content_fts ON messages USING GIN (to_tsvector('english', content));

CREATE TABLE event_log (
    id BIGSERIAL PRIMARY KEY,

    event_type VARCHAR(50) NOT NULL,
    event_version INTEGER DEFAULT 1,

    entity_type VARCHAR(50) NOT NULL,
    entity_id UUID NOT NULL,

    payload JSONB NOT NULL,

    actor_type VARCHAR(20) CHECK (actor_type IN ('user', 'system', 'ai', 'automation', 'api')),
    actor_id UUID,
    actor_ip INET,
    actor_user_agent TEXT,

    conversation_id UUID,
    customer_id UUID,
    resolution_id UUID,

    correlation_id UUID,
    causation_id BIGINT REFERENCES event_log(id),

    created_at TIMESTAMPTZ NOT NULL DEFAULT NOW()
);

CREATE INDEX idx_event_log_entity ON event_log(entity_type, entity_id);
CREATE INDEX idx_event_log_type ON event_log(event_type);
CREATE INDEX idx_event_log_created ON event_log(created_at DESC);
CREATE INDEX idx_event_log_conversation ON event_log(conversation_id);
CREATE INDEX idx_event_log_customer ON event_log(customer_id);
CREATE INDEX idx_event_log_correlation ON event_log(correlation_id);

CREATE OR REPLACE FUNCTION update_updated_at()
RETURNS TRIGGER AS $$
BEGIN
    NEW.updated_at = NOW();
    RETURN NEW;
END;
$$ LANGUAGE plpgsql;

CREATE TRIGGER trg_customers_updated_at
    BEFORE UPDATE ON customers
    FOR EACH ROW EXECUTE FUNCTION update_updated_at();

CREATE TRIGGER trg_conversations_updated_at
    BEFORE UPDATE ON conversations
    FOR EACH ROW EXECUTE FUNCTION update_updated_at();

CREATE OR REPLACE FUNCTION update_conversation_message_count()
RETURNS TRIGGER AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        UPDATE conversations
        SET message_count = message_count + 1,
            last_message_at = NEW.created_at
        WHERE id = NEW.conversation_id;

        IF NEW.direction = 'inbound' AND NEW.sender_type = 'customer' THEN
            UPDATE conversations
            SET last_customer_message_at = NEW.created_at
            WHERE id = NEW.conversation_id;
        ELSIF NEW.direction = 'outbound' AND NEW.sender_type = 'agent' THEN
            UPDATE conversations
            SET last_agent_message_at = NEW.created_at
            WHERE id = NEW.conversation_id;
        END IF;
    END IF;
    RETURN NEW;
END;
$$ LANGUAGE plpgsql;

CREATE TRIGGER trg_update_message_count
    AFTER INSERT ON messages
    FOR EACH ROW EXECUTE FUNCTION update_conversation_message_count();

CREATE OR REPLACE FUNCTION log_conversation_state_change()
RETURNS TRIGGER AS $$
BEGIN
    IF OLD.state IS DISTINCT FROM NEW.state THEN
        INSERT INTO event_log (event_type, entity_type, entity_id, payload, conversation_id, customer_id)
        VALUES (
            'conversation.state_changed',
            'conversation',
            NEW.id,
            jsonb_build_object(
                'previous_state', OLD.state,
                'new_state', NEW.state,
                'timestamp', NOW()
            ),
            NEW.id,
            NEW.customer_id
        );
    END IF;
    RETURN NEW;
END;
$$ LANGUAGE plpgsql;

CREATE TRIGGER trg_log_conversation_state
    AFTER UPDATE ON conversations
    FOR EACH ROW EXECUTE FUNCTION log_conversation_state_change();
