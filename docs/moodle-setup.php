<?php
// Prepares a training centre's Moodle for the bridge: steps 1 to 5 of moodle.md, in one command.
//
// Copy this file and moodle-role.xml to the Moodle server, and run it as the web server's user:
//
//   sudo -u www-data php moodle-setup.php --moodle=/var/www/moodle --email=bridge@centre.example
//
// It may run many times: what is there already stays as it is. It prints the token once.
// It needs Moodle 4.1 or later, and changes nothing but what it names.

define('CLI_SCRIPT', true);

const FUNCTIONS = [
    'core_webservice_get_site_info',
    'core_course_get_categories',
    'core_course_get_courses_by_field',
    'core_user_get_users_by_field',
    'core_user_create_users',
    'core_user_update_users',
    'core_enrol_get_enrolled_users',
    'enrol_manual_enrol_users',
    'gradereport_user_get_grade_items',
    'core_completion_get_course_completion_status',
    'core_enrol_get_users_courses',
    'core_user_get_users',
    'tool_mobile_call_external_functions',
    'enrol_manual_unenrol_users',
    'core_role_unassign_roles',
    'core_group_get_course_groups',
    'core_group_create_groups',
    'core_group_get_group_members',
    'core_group_add_group_members',
    'core_group_delete_group_members',
];

const HELP = <<<TEXT
Prepares this Moodle for the ITU Academy's bridge.

  --moodle=PATH     folder of the Moodle, with its config.php (needed)
  --email=ADDRESS   address of the service account; needed where the account is made
  --user=NAME       user name of the service account (default lmsbridge)
  --assign=ROLES    short names of the roles that the bridge gives (default student);
                    for example student,teacher
  --ip=ADDRESSES    the only addresses from which the token works (default: all)
  --new-token       makes another token, and withdraws those that the account has for the service
  --dry-run         says what would be done, and does nothing

TEXT;

// Moodle's own reader of options comes with its config.php, whose place is itself an option.
$options = getopt(
    '',
    ['moodle:', 'email:', 'user:', 'assign:', 'ip:', 'new-token', 'dry-run', 'help'],
    $rest
);
if (isset($options['help']) || !isset($options['moodle']) || $rest < $argc) {
    fwrite(STDERR, HELP);
    exit(isset($options['help']) ? 0 : 2);
}
$config = rtrim($options['moodle'], '/') . '/config.php';
if (!is_readable($config)) {
    fwrite(STDERR, "There is no config.php that can be read in {$options['moodle']}.\n");
    exit(2);
}
require($config);
require_once($CFG->dirroot . '/user/lib.php');
require_once($CFG->dirroot . '/webservice/lib.php');
if (!class_exists('\core_external\util')) {
    require_once($CFG->libdir . '/externallib.php'); // Moodle 4.1
}

$dry = isset($options['dry-run']);
$system = context_system::instance();
\core\session\manager::set_user(get_admin());

/** Says one line, and does the change unless this is a dry run or nothing is to be done. */
function step(string $what, bool $needed, callable $change): void {
    global $dry;
    if ($needed && !$dry) {
        $change();
    }
    mtrace(($needed ? ($dry ? 'would do   ' : 'done       ') : 'is so      ') . $what);
}

/** Ends with a message. What was done until then stays, and the next run goes on from there. */
function give_up(string $message): void {
    fwrite(STDERR, "$message\n");
    exit(1);
}

// ---- 1. web services --------------------------------------------------------------------------

step('web services are enabled', empty($CFG->enablewebservices), function () {
    set_config('enablewebservices', 1);
});
$protocols = array_filter(explode(',', $CFG->webserviceprotocols ?? ''));
step('the REST protocol is enabled', !in_array('rest', $protocols), function () use ($protocols) {
    set_config('webserviceprotocols', implode(',', [...$protocols, 'rest']));
});

// ---- 2. the service account -------------------------------------------------------------------

$username = core_text::strtolower($options['user'] ?? 'lmsbridge');
$where = ['username' => $username, 'mnethostid' => $CFG->mnet_localhost_id, 'deleted' => 0];
$user = $DB->get_record('user', $where);
if ($user && (is_siteadmin($user) || isguestuser($user))) {
    give_up("The account $username is an administrator's or the guest's. Choose another --user.");
}
if (!$user && !validate_email($options['email'] ?? '')) {
    give_up("The account $username is to be made: give its e-mail address with --email.");
}
step("the account $username exists", !$user, function () use (&$user, $username, $options, $where) {
    global $DB;
    // Nobody learns the password: the account works by its token alone.
    $password = generate_password(40) . 'aA1!';
    user_create_user((object) [
        'username' => $username, 'auth' => 'manual', 'password' => $password,
        'firstname' => 'LMS bridge', 'lastname' => 'ITU Academy', 'email' => $options['email'],
        'confirmed' => 1, 'mnethostid' => $where['mnethostid'],
    ]);
    $user = $DB->get_record('user', $where);
});
$ready = !$user || ($user->confirmed && !$user->suspended);
step('the account is confirmed and active', !$ready, function () use ($user) {
    user_update_user((object) ['id' => $user->id, 'confirmed' => 1, 'suspended' => 0], false);
});
$forced = $user && get_user_preferences('auth_forcepasswordchange', 0, $user);
step('the account need not change its password', (bool) $forced, function () use ($user) {
    unset_user_preference('auth_forcepasswordchange', $user);
});
$handler = $CFG->sitepolicyhandler ?? '';
if (!empty($CFG->sitepolicy) && !$handler) {
    $agrees = $user && $user->policyagreed;
    step('the account agreed to the site policy', !$agrees, function () use ($user) {
        user_update_user((object) ['id' => $user->id, 'policyagreed' => 1], false);
    });
} else if ($handler && (!$user || !$user->policyagreed)) {
    mtrace('to do      the account must agree to the site policies: accept them in its name under');
    mtrace('           Users, Privacy and policies, User agreements');
}
if ($user && user_not_fully_set_up($user, true)) {
    mtrace('to do      the profile of the account lacks fields that this site requires: fill them in');
}

// ---- 3. the role ------------------------------------------------------------------------------

$xml = @simplexml_load_file(__DIR__ . '/moodle-role.xml');
if (!$xml) {
    give_up('moodle-role.xml must lie beside this script.');
}
$shortname = (string) $xml->shortname;
$role = $DB->get_record('role', ['shortname' => $shortname]);
step("the role $shortname exists", !$role, function () use (&$role, $xml, $shortname) {
    global $DB;
    $id = create_role((string) $xml->name, $shortname, (string) $xml->description);
    set_role_contextlevels($id, [CONTEXT_SYSTEM]);
    $role = $DB->get_record('role', ['id' => $id]);
});
foreach ($xml->permissions->allow as $capability) {
    $capability = (string) $capability;
    if (!get_capability_info($capability)) {
        mtrace("not there  $capability: this Moodle has no such capability");
        continue;
    }
    $allowed = $role && $DB->record_exists('role_capabilities', [
        'roleid' => $role->id, 'contextid' => $system->id, 'capability' => $capability,
        'permission' => CAP_ALLOW,
    ]);
    step("it allows $capability", !$allowed, function () use ($capability, $role, $system) {
        assign_capability($capability, CAP_ALLOW, $role->id, $system->id, true);
    });
}
foreach (array_filter(array_map('trim', explode(',', $options['assign'] ?? 'student'))) as $name) {
    $given = $DB->get_record('role', ['shortname' => $name]);
    if (!$given) {
        give_up("There is no role $name.");
    }
    $may = $role && $DB->record_exists(
        'role_allow_assign',
        ['roleid' => $role->id, 'allowassign' => $given->id]
    );
    step("it may assign the role $name (role_id {$given->id})", !$may, function () use ($role, $given) {
        core_role_set_assign_allowed($role->id, $given->id);
    });
}
$holds = $role && $user && user_has_role_assignment($user->id, $role->id, $system->id);
step('the account has the role in the system context', !$holds, function () use ($role, $user, $system) {
    role_assign($role->id, $user->id, $system->id);
});
$shown = array_filter(explode(',', $CFG->showuseridentity ?? ''));
step('the user identity shows e-mail addresses', !in_array('email', $shown), function () use ($shown) {
    set_config('showuseridentity', implode(',', [...$shown, 'email']));
});

// ---- 4. the service ---------------------------------------------------------------------------

$manager = new webservice();
$service = $manager->get_external_service_by_shortname('lmsbridge');
step('the service LMS bridge exists', !$service, function () use (&$service, $manager) {
    $id = $manager->add_external_service((object) [
        'name' => 'LMS bridge', 'shortname' => 'lmsbridge', 'enabled' => 1, 'restrictedusers' => 1,
        'requiredcapability' => '', 'downloadfiles' => 0, 'uploadfiles' => 0,
    ]);
    $service = $manager->get_external_service_by_id($id);
});
step('the service is enabled', $service && !$service->enabled, function () use ($manager, $service) {
    $service->enabled = 1;
    $manager->update_external_service($service);
});
foreach (FUNCTIONS as $function) {
    if (!$DB->record_exists('external_functions', ['name' => $function])) {
        mtrace("not there  $function: this Moodle has no such function");
        continue;
    }
    $has = $service && $manager->service_function_exists($function, $service->id);
    step("it has $function", !$has, function () use ($manager, $function, $service) {
        $manager->add_external_function_to_service($function, $service->id);
    });
}
$authorised = $service && $user && $DB->record_exists(
    'external_services_users',
    ['externalserviceid' => $service->id, 'userid' => $user->id]
);
step('the account may use the service', !$authorised, function () use ($manager, $service, $user) {
    $manager->add_ws_authorised_user((object) [
        'externalserviceid' => $service->id, 'userid' => $user->id,
    ]);
});

// ---- 5. the token -----------------------------------------------------------------------------

$where = $service && $user ? ['externalserviceid' => $service->id, 'userid' => $user->id] : null;
$another = isset($options['new-token']);
$needed = !$where || $another || !$DB->record_exists('external_tokens', $where);
$token = '';
step('the account has a token', $needed, function () use (&$token, $where, $service, $user, $system, $options) {
    global $DB;
    $DB->delete_records('external_tokens', $where);
    $ip = $options['ip'] ?? '';
    // The class is that of Moodle 4.2 and later.
    $token = class_exists('\core_external\util')
        ? \core_external\util::generate_token(EXTERNAL_TOKEN_PERMANENT, $service, $user->id, $system, 0, $ip)
        : external_generate_token(EXTERNAL_TOKEN_PERMANENT, $service, $user->id, $system, 0, $ip);
});

mtrace('');
if ($token) {
    mtrace("The token, shown this once: $token");
    mtrace("Give it to the bridge as the centre's secret, with the address {$CFG->wwwroot}");
} else if (!$dry) {
    mtrace('The token is not shown again. With --new-token there is another one.');
}
$without = $DB->count_records_sql(
    "SELECT COUNT(c.id) FROM {course} c WHERE c.id <> ? AND NOT EXISTS (SELECT 1 FROM {enrol} e "
    . "WHERE e.courseid = c.id AND e.enrol = 'manual' AND e.status = 0)",
    [SITEID]
);
if ($without) {
    mtrace("$without course(s) have no enabled manual enrolment method: nobody can be enrolled there.");
}
