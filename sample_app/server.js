// The chat server's entry: reads the environment, starts, and stops on the first signal.
import v8 from 'node:v8'
import { Chat } from './src/chat.js'
import { readConfig } from './src/config.js'
import { createServers } from './src/http.js'
import { listen, stopOnSignal } from './src/lifecycle.js'
import { createLog } from './src/log.js'

// Thousands of idle connections would make V8 double its young generation for good, which costs as much memory as they do.
// Kept at the size it has now it costs no throughput: what lives long is made once a connection, the rest dies at once.
v8.setFlagsFromString('--semi-space-growth-factor=1')

// What makes a start impossible is said in one line; where there is a log already, its line tells more.
process.on('uncaughtException', ({ message }) => {
  console.error(message)
  process.exit(1)
})

const config = readConfig(process.env)
const log = createLog(config)
const chat = new Chat(config, log)
const servers = createServers(chat)

stopOnSignal(chat, [...servers.keys()])
for (const [server, where] of servers) log.info({ port: await listen(server, where) }, 'listening')
chat.start()
process.send?.('ready')
