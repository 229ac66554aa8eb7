// JSON lines on standard output; message bodies and tokens never reach this file.
import pino from 'pino'

/** A logger whose lines carry service, env, release, worker and the level by name. */
export function createLog({ logLevel, environment, release, worker }) {
  const log = pino({
    level: logLevel,
    base: { service: 'chat', env: environment, release, worker },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  }, pino.destination({ sync: true })) // the other kind, whose reader has gone, tries to write at the exit for ever
  // Node's own warnings (node:sqlite is marked experimental) become log lines instead of text on standard error.
  process.removeAllListeners('warning').on('warning', (warning) => log.debug({ warning: warning.name }, warning.message))
  process.on('uncaughtExceptionMonitor', (error) => log.fatal({ error: error.message, stack: error.stack }, 'uncaught'))
  return log
}
