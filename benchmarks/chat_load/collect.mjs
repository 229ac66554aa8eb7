// Loaded into every measured server: SIGUSR2 collects garbage, so that memory in use can be told from memory kept for later.
import v8 from 'node:v8'
import vm from 'node:vm'

v8.setFlagsFromString('--expose-gc')
const collect = vm.runInNewContext('gc')
process.on('SIGUSR2', () => collect({ type: 'major', flavor: 'last-resort' }))
