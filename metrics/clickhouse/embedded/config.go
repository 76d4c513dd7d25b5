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

// reader is the user of the SQL door: it reads the door's views and nothing
// else, and may change no setting but the one that carries its scope.
const reader = "vonglau_reader"

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

// writeConfig writes the engine's two files and returns the fresh passwords
// of the application's user and of the reader, of which the file holds only the
// hashes.
func writeConfig(f files, o Options) (password, readerPassword string, err error) {
	password, readerPassword = rand.Text(), rand.Text()
	hash := func(password string) string {
		sum := sha256.Sum256([]byte(password))
		return hex.EncodeToString(sum[:])
	}
	if err := replaceFile(f.users, usersXML(hash(password), hash(readerPassword), o)); err != nil {
		return "", "", fmt.Errorf("write users: %w", err)
	}
	if err := replaceFile(f.config, configXML(f, o)); err != nil {
		return "", "", fmt.Errorf("write config: %w", err)
	}
	return password, readerPassword, nil
}

// configXML bounds what the engine would otherwise take: by default that is the
// whole machine, and a log without end. What a part was made of stays for eight
// minutes, as with any other server: this library's own default is to delete it at
// once, though the part is not synced to disk yet, and a part that was written on
// a full disk is found to be damaged only when it is read. For the same reason
// nothing is written, nor merged, into the last 512 MiB of a disk.
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
  <merge_tree><old_parts_lifetime>480</old_parts_lifetime></merge_tree>
  <storage_configuration><disks><default><keep_free_space_bytes>536870912</keep_free_space_bytes></default></disks></storage_configuration>
  <access_control_improvements>
    <settings_constraints_replace_previous>true</settings_constraints_replace_previous>
    <select_from_system_db_requires_grant>true</select_from_system_db_requires_grant>
    <select_from_information_schema_requires_grant>true</select_from_information_schema_requires_grant>
    <table_engines_require_grant>true</table_engines_require_grant>
  </access_control_improvements>
</clickhouse>
`, escape(f.log), escape(f.errors), escape(f.users), o.MaxMemory, o.MaxMemory/16)
}

// usersXML gives the application full rights under a password, and the
// password-less user, under which the engine runs its start query, only what
// that query needs. Whoever reaches the loopback port without the password can
// so open and close ports of the engine, but see no table and no file.
func usersXML(passwordHash, readerHash string, o Options) string {
	return fmt.Sprintf(`<clickhouse>
  <profiles>
    <default>
      <max_threads>%[1]d</max_threads>
      <max_memory_usage>%[2]d</max_memory_usage>
      <max_bytes_before_external_group_by>%[3]d</max_bytes_before_external_group_by>
      <max_bytes_before_external_sort>%[4]d</max_bytes_before_external_sort>
    </default>
    <reader>
      <readonly>1</readonly>
      <max_threads>%[1]d</max_threads>
      <max_memory_usage>%[3]d</max_memory_usage>
      <max_execution_time>30</max_execution_time>
      <max_result_rows>100000</max_result_rows>
      <result_overflow_mode>throw</result_overflow_mode>
      <max_rows_to_read>200000000</max_rows_to_read>
      <max_ast_elements>5000</max_ast_elements>
      <max_concurrent_queries_for_user>4</max_concurrent_queries_for_user>
      <constraints><log_comment><changeable_in_readonly/></log_comment></constraints>
    </reader>
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
    <%[7]s>
      <password_sha256_hex>%[8]s</password_sha256_hex>
      <networks><ip>127.0.0.1</ip></networks>
      <profile>reader</profile>
      <quota>default</quota>
      <grants><query>GRANT SELECT ON sql_*.*</query></grants>
    </%[7]s>
  </users>
</clickhouse>
`, o.MaxThreads, o.MaxMemory/2, o.MaxMemory/4, o.MaxMemory/4, username, passwordHash, reader, readerHash)
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
