package embedded

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// username is the application's user inside the engine.
const username = "vonglau"

// files are where things stand in the engine's folder.
type files struct {
	data, config, users, log, errors, lock string
}

func filesIn(dir string) files {
	return files{
		data:   filepath.Join(dir, "data"),
		config: filepath.Join(dir, "config.xml"),
		users:  filepath.Join(dir, "users.xml"),
		log:    filepath.Join(dir, "engine.log"),
		errors: filepath.Join(dir, "engine.err.log"),
		lock:   filepath.Join(dir, "lock"),
	}
}

// writeConfig writes the engine's two files and returns the fresh password of
// the application's user, of which the file holds only the hash.
func writeConfig(f files, o Options) (password string, err error) {
	password = rand.Text()
	sum := sha256.Sum256([]byte(password))
	if err := replaceFile(f.users, usersXML(hex.EncodeToString(sum[:]), o)); err != nil {
		return "", fmt.Errorf("write users: %w", err)
	}
	if err := replaceFile(f.config, configXML(f, o)); err != nil {
		return "", fmt.Errorf("write config: %w", err)
	}
	return password, nil
}

// configXML bounds what the engine would otherwise take: by default that is the
// whole machine, and a log without end.
func configXML(f files, o Options) string {
	return fmt.Sprintf(`<clickhouse>
  <logger>
    <level>warning</level>
    <log>%s</log>
    <errorlog>%s</errorlog>
    <size>10M</size>
    <count>2</count>
  </logger>
  <log-level>warning</log-level>
  <users_config>%s</users_config>
  <timezone>UTC</timezone>
  <max_server_memory_usage>%d</max_server_memory_usage>
  <mark_cache_size>%d</mark_cache_size>
  <uncompressed_cache_size>0</uncompressed_cache_size>
  <max_concurrent_queries>64</max_concurrent_queries>
  <max_connections>256</max_connections>
</clickhouse>
`, escape(f.log), escape(f.errors), escape(f.users), o.MaxMemory, o.MaxMemory/16)
}

// usersXML gives the application full rights under a password, and the
// password-less user, under which the engine runs its start query, only what
// that query needs. Whoever reaches the loopback port without the password can
// so open and close ports of the engine, but see no table and no file.
func usersXML(passwordHash string, o Options) string {
	return fmt.Sprintf(`<clickhouse>
  <profiles>
    <default>
      <max_threads>%d</max_threads>
      <max_memory_usage>%d</max_memory_usage>
      <max_bytes_before_external_group_by>%d</max_bytes_before_external_group_by>
      <max_bytes_before_external_sort>%d</max_bytes_before_external_sort>
    </default>
  </profiles>
  <quotas><default></default></quotas>
  <users>
    <default>
      <password></password>
      <networks><ip>127.0.0.1</ip></networks>
      <profile>default</profile>
      <quota>default</quota>
      <grants>
        <query>GRANT SYSTEM LISTEN ON *.*</query>
        <query>GRANT CREATE TEMPORARY TABLE ON *.*</query>
      </grants>
    </default>
    <%[5]s>
      <password_sha256_hex>%[6]s</password_sha256_hex>
      <networks><ip>127.0.0.1</ip></networks>
      <profile>default</profile>
      <quota>default</quota>
      <access_management>1</access_management>
    </%[5]s>
  </users>
</clickhouse>
`, o.MaxThreads, o.MaxMemory/2, o.MaxMemory/4, o.MaxMemory/4, username, passwordHash)
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a strings.Builder does not fail
	return b.String()
}

// replaceFile leaves either the old content or the new one, also after a crash.
func replaceFile(path, content string) error {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(content)
	if err == nil {
		err = tmp.Sync()
	}
	if closing := tmp.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return err
	}
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}
