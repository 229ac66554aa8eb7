// What the environment asks for, as one frozen object; everything has a default.

/** Read the settings from `env`; throws when a value makes no sense. */
export function readConfig(env) {
  if (env.REQUIRE_TOKEN === '1' && !env.SESSION_SECRET) throw new Error('REQUIRE_TOKEN=1 needs SESSION_SECRET')
  if (!/^(debug|info|warn|error|)$/.test(env.LOG_LEVEL ?? '')) throw new Error(`LOG_LEVEL makes no sense: ${env.LOG_LEVEL}`)
  const port = /\D/.test(env.PORT ?? '') ? env.PORT : readCount(env, 'PORT', 3000, 0, 65_535)
  return Object.freeze({
    port,
    opsSocket: env.OPS_SOCKET,
    opsToken: env.OPS_TOKEN,
    release: env.RELEASE ?? env.HEROKU_RELEASE_VERSION ?? 'dev',
    commit: env.HEROKU_BUILD_COMMIT ?? env.HEROKU_SLUG_COMMIT,
    worker: env.WORKER ?? env.DYNO ?? `pid-${process.pid}`,
    environment: env.NODE_ENV ?? 'development',
    logLevel: env.LOG_LEVEL || 'info',
    dataDirectory: env.DATA_DIR ?? './data',
    databaseUrl: env.DATABASE_URL,
    redisUrl: env.REDIS_URL,
    onHeroku: env.DYNO !== undefined,
    sessionSecret: env.SESSION_SECRET,
    requireToken: env.REQUIRE_TOKEN === '1',
    allowedOrigins: env.ALLOWED_ORIGINS?.split(',').map((origin) => origin.trim().toLowerCase()),
    echoPath: env.ECHO_PATH === '1',
    maxConnections: readCount(env, 'MAX_CONNECTIONS', 20_000),
    maxConnectionsPerAddress: readCount(env, 'MAX_CONNECTIONS_PER_ADDRESS', 500),
    messagesPerSecond: readCount(env, 'MESSAGES_PER_SECOND', 10),
    heartbeatMs: 25_000,
  })
}

function readCount(env, name, fallback, least = 1, most = Infinity) {
  const value = Number(env[name] || fallback)
  if (!Number.isInteger(value) || value < least || value > most) throw new Error(`${name} makes no sense: ${env[name]}`)
  return value
}
